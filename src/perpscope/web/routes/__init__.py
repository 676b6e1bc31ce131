"""Every JSON endpoint, one module a noun; each exposes `ENDPOINTS`, and the app finds them by listing this package."""
