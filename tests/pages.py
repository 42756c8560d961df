"""A page of a report as a test reads it, and that it is harmless."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Every element with its attributes, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._styles = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._styles += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._styles -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._styles:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def assert_harmless(html: str) -> Page:
    """No script, no handler, nothing loaded but data: pictures, and links that only open web pages."""
    page = Page(html)
    forbidden = {"script", "iframe", "object", "embed", "base", "form", "audio", "video"}
    assert not forbidden & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("srcdoc", "srcset", "formaction")]
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name)
            if target is None:
                continue
            if tag == "a":
                assert target.startswith(("https://", "http://"))
                assert attributes["rel"] == "noopener noreferrer nofollow"
            else:
                assert target.startswith("#genuine-" if tag == "use" else "data:"), (tag, target[:60])
        style = attributes.get("style") or ""
        assert re.fullmatch(r"[a-z0-9:;.%-]*", style), style
    assert not re.search(r"url\(|@import", html)
    return page
