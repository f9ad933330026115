"""The one file of a form that a browser sends (multipart/form-data, RFC 7578)."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP


def file_in(content_type: str, body: bytes, name: str) -> bytes | None:
    """Give the content of the form's file `name`, None where the body is no such form."""
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    header = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = BytesParser(policy=HTTP).parsebytes(header + body)
    for part in form.iter_parts() if form.is_multipart() else ():
        if (
            part.get_content_disposition() == "form-data"
            and part.get_param("name", header="content-disposition") == name
        ):
            content = part.get_payload(decode=True)
            return content if isinstance(content, bytes) else None
    return None
