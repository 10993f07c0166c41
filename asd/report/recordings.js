"use strict";
const all = (query, of = document) => [...of.querySelectorAll(query)];
const at = (id) => document.getElementById(id);
const rows = all("tr[data-recording]");
const key = (row) => JSON.stringify([row.dataset.machine, row.dataset.recording]);
const place = "asd marks " + document.title;
let marks = {};
try { marks = JSON.parse(localStorage.getItem(place)) || {}; } catch {}
document.documentElement.classList.add("js");

function list() {
  const words = at("find").value.toLowerCase().split(/\s+/);
  const kind = at("show").value;
  for (const row of rows) {
    const kinds = row.dataset.kind.split(" ").concat(marks[key(row)] ? "marked" : []);
    const text = row.textContent.toLowerCase();
    row.hidden = Boolean(kind && !kinds.includes(kind)) || !words.every((word) => text.includes(word));
  }
}

function tell() {
  for (const row of rows)
    for (const button of all("[data-mark]", row))
      button.setAttribute("aria-pressed", marks[key(row)] === button.dataset.mark);
  const count = rows.filter((row) => marks[key(row)]).length;
  at("save").disabled = !count;
  at("saved").textContent = count ? count + " marked" : "";
  try { localStorage.setItem(place, JSON.stringify(marks)); } catch {}
}

function save() {
  const quoted = (text) => /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  const lines = rows.filter((row) => marks[key(row)]).map((row) =>
    [row.dataset.machine, row.dataset.recording, marks[key(row)]].map(quoted).join(","));
  const text = ["machine,recording,mark", ...lines].join("\n") + "\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = "marks.csv";
  link.click();
  at("saved").textContent = lines.length + " saved: asd feedback --from marks.csv";
}

function sort(head, by) {
  const body = head.closest("table").tBodies[0];
  const down = head.getAttribute("aria-sort") !== "descending";
  all("th", head.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const number = by === "margin" || by === "decision";
  const order = (a, b) => number ? a.dataset[by] - b.dataset[by]
    : a.dataset[by].localeCompare(b.dataset[by], undefined, {numeric: true});
  const sorted = [...body.rows].sort((a, b) => order(a, b) || 0);
  body.append(...(down ? sorted.reverse() : sorted));
}

function play(button) {
  const sound = button.parentElement.querySelector("audio");
  const stops = !sound.paused;
  all("audio").forEach((other) => other.pause());
  if (!stops) { sound.currentTime = 0; sound.play(); }
}

for (const head of all("th[data-sort]")) {
  const button = document.createElement("button");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sort(head, head.dataset.sort));
}
for (const sound of all("audio"))
  for (const name of ["play", "pause", "ended"])
    sound.addEventListener(name, () => sound.parentElement.classList.toggle("playing", !sound.paused));
document.addEventListener("click", ({target}) => {
  if (target.matches(".play")) play(target);
  if (!target.dataset.mark) return;
  const of = key(target.closest("tr"));
  if (marks[of] === target.dataset.mark) delete marks[of]; else marks[of] = target.dataset.mark;
  tell();
  list();
});
at("find").addEventListener("input", list);
at("show").addEventListener("change", list);
at("save").addEventListener("click", save);
tell();
list();
