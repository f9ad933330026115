"""The API's documentation page, self-contained: it loads nothing from outside the service."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_ASSETS = "/docs/assets"
_ICON = "data:,"


def install(app: FastAPI) -> None:
    """Serve Swagger UI at /docs with its script and style from the installed package."""
    static = str(files("fastapi_offline").joinpath("static"))
    app.mount(_ASSETS, StaticFiles(directory=static), name="documentation-assets")
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url or "",
        title=f"{app.title} API",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=_ICON,
    )

    def show() -> HTMLResponse:
        return page

    app.add_api_route("/docs", show, include_in_schema=False, response_class=HTMLResponse)
