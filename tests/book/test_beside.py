"""Scripts of an output that name a file lie beside the page, and nothing else of the output changes."""

from __future__ import annotations

import nbformat

from book.beside import set_beside


def _page(html: str) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": html})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])


def test_a_script_that_names_a_file_becomes_one() -> None:
    page = _page('<p>a</p><script data-file="rows.js">x = "<b>";\ny = 2;</script><script>inline()</script>')
    assert set_beside(page) == {"rows.js": 'x = "<b>";\ny = 2;\n'}
    data = page.cells[0].outputs[0].data
    assert data["text/html"] == '<p>a</p><script src="rows.js"></script><script>inline()</script>'
    assert "data-file" in data["text/plain"]


def test_other_scripts_and_names_of_other_folders_stay() -> None:
    for html in ("<script>x = 1;</script>", '<script data-file="../rows.js">x</script>', "<p>no script</p>"):
        page = _page(html)
        assert set_beside(page) == {}
        assert page.cells[0].outputs[0].data["text/html"] == html
