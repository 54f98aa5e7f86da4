"""What hastens exports in tests changes no exported graph."""

from __future__ import annotations

from typing import Any

import onnx
import onnx.parser
import ready_export

TEXT = """
<ir_version: 10, opset_import: ["" : 18]>
it (float[1,4,8,8] x, float[4,4,3,3] w, float[4] b, float[4] s) => (float[1,4,64] y, float[1,4,64] z, float[1,64,4] a)
<int64[3] flat = {1, 4, 64}, int64[3] same = {1, -1, 64}, float one = {1.0}, float[4] mean = {0.0, 0.0, 0.0, 0.0}, float[4] var = {1.0, 1.0, 1.0, 1.0}>
{
  c = Conv <pads = [1, 1, 1, 1]> (x, w, b)
  n = BatchNormalization (c, s, b, mean, var)
  m = Mul (n, one)
  r = Reshape (m, flat)
  y = Reshape (r, same)
  q = Sqrt (r)
  z = Div (one, q)
  t = Transpose <perm = [0, 2, 1]> (r)
  u = Transpose <perm = [0, 2, 1]> (t)
  v = Cast <to = 1> (u)
  e = Exp (v)
  o = Identity (e)
  a = Transpose <perm = [0, 2, 1]> (o)
}
"""


def optimised() -> bytes:
    from onnxscript import optimizer

    found: Any = optimizer.optimize(onnx.parser.parse_model(TEXT))
    return bytes(found.SerializeToString(deterministic=True))


def test_a_graph_is_optimised_as_by_a_full_search(monkeypatch: Any) -> None:
    from onnxscript.rewriter import _matcher

    searched: list[str] = []
    whole = _matcher.SimplePatternMatcher.match

    def counted(self: Any, model: Any, graph: Any, node: Any, **options: Any) -> Any:
        searched.append(node.op_type)
        return whole(self, model, graph, node, **options)

    monkeypatch.setattr(_matcher.SimplePatternMatcher, "match", counted)
    by_full_search, full = optimised(), len(searched)
    searched.clear()
    ready_export.look_first()
    assert optimised() == by_full_search
    assert 0 < len(searched) < full / 4
    assert len(onnx.load_from_string(by_full_search).graph.node) < TEXT.count(" = ") - 10  # some were rewritten
