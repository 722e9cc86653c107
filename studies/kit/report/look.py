"""The style sheet of a report, and the few lines by which its tables sort; both stand in the page itself."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--page:#fff;--box:#f4f6f8;
--line:#d0d7de;--mark:#0072b2}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b1;--page:#0d1117;--box:#161b22;
--line:#30363d;--mark:#56b4e9}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1rem}
h1{font-size:1.45rem;line-height:1.25;margin:.2rem 0 .8rem}
h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
a{color:var(--mark)}
nav a{margin-right:.9rem;white-space:nowrap}
.soft{color:var(--soft);font-size:.9rem}
.table-box,pre{overflow-x:auto;max-width:100%;border:1px solid var(--line);border-radius:6px}
pre{background:var(--box);padding:.7rem;font-size:.85rem}
pre.wrapped{white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;font-size:.88rem;width:100%}
th,td{padding:.3rem .6rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
thead th{background:var(--box);position:sticky;top:0}
td.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tr.changed td{font-weight:600}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid var(--mark)}
th button::after{content:" \\2195";color:var(--soft);font-weight:400}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
figure{margin:0 0 1.2rem}
figure img{max-width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:6px}
@media print{nav{display:none}thead th{position:static}}
"""

SCRIPT: Final = """
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const key = row => row.cells[head.cellIndex];
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)], empty = (x.textContent === "") - (y.textContent === "");
      if (empty) return empty;
      const [p, q] = [x, y].map(cell => parseFloat(cell.dataset.value));
      const sign = isNaN(p) || isNaN(q) ? x.textContent.localeCompare(y.textContent) : p - q;
      return rising ? sign : -sign;
    };
    body.append(...[...body.rows].sort(order));
  });
}
"""
