"""What is shown, without knowing of what: tables, sections, pictures and how they look. Nothing here knows a job."""
