"""Commands of ``python -m harness WORD``: one module each, imported only when called."""
