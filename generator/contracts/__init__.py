"""What each pipeline's API takes and answers, said once: templates and OpenAPI documents are both made of it."""
