"""HTML by hand: small pieces that escape what they are given, and the frame of a public page.

The pages need no script, load nothing and keep nothing; their policy (CSP) says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from typing import Final

from fastapi.responses import HTMLResponse

STYLE: Final = files("app.certificates").joinpath("page.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def page(title: str, *parts: str, status: int = 200) -> HTMLResponse:
    """Give a page; `parts` are HTML already."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>",
        status,
        HEADERS,
    )


def verdict(tone: str, mark: str, title: str, sentence: str) -> str:
    """Give the page's answer; `tone` is good, bad or plain."""
    return (
        f'<header class="{tone}"><p class="mark" aria-hidden="true">{escape(mark)}</p>'
        f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p></header>"
    )


def facts(rows: list[tuple[str, str]]) -> str:
    """Give names and values, one a line; long values break anywhere."""
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f"<dl>{inner}</dl>"


def section(title: str, *parts: str) -> str:
    """Give a titled part of the page."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """Give a paragraph."""
    return f"<p>{escape(text)}</p>"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Give a table that scrolls sideways by itself where the screen is narrow."""
    top = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def checklist(rows: list[tuple[bool, str, list[str]]]) -> str:
    """Give checks with their outcome, and under each what is wrong."""
    items = []
    for ok, text, problems in rows:
        inner = "".join(f"<li>{escape(each)}</li>" for each in problems)
        said = "passed" if ok else "failed"
        items.append(
            f'<li class="{"good" if ok else "bad"}"><b>{"✓" if ok else "✗"}</b> {escape(text)}'
            f'<span class="said"> ({said})</span>{f"<ul>{inner}</ul>" if inner else ""}</li>'
        )
    return f'<ul class="checks">{"".join(items)}</ul>'


def folded(title: str, *parts: str) -> str:
    """Give a part that opens on a click."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def upload(name: str, label: str, button: str) -> str:
    """Give a form that sends one file to the page itself."""
    return (
        '<form method="post" enctype="multipart/form-data">'
        f'<label for="{escape(name)}">{escape(label)}</label>'
        f'<input type="file" id="{escape(name)}" name="{escape(name)}" accept=".json,application/json"'
        f' required><button type="submit">{escape(button)}</button></form>'
    )
