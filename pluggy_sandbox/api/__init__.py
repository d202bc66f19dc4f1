"""The API as Pluggy serves it (Pluggy facts 11.1). Views: check the request, one call, answer."""
