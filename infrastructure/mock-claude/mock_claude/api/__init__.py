"""The Messages API: routes, checks with the API's own texts, shapes, what each model takes."""
