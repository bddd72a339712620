// Files and folders that are dropped on the page or chosen: copied to the server, which answers with the path of the copy.

import { upload } from "../api.js";
import { attempt, field, h, say } from "../dom.js";
import { bytes, count } from "../format.js";

// Folder of files that have no common one.
const LOOSE = "dropped";
const FILES_PER_MESSAGE = 20;

// Return a field for files and one for a folder; `copied` gets the path of the copy.
export function filePickers(largest, copied) {
  const chosen = (event) => send([...event.target.files].map((file) => [file.webkitRelativePath || file.name, file]), largest, copied);
  const picker = (name, options, help) => field(name, h("input", { type: "file", onchange: chosen, ...options }), help);
  return [
    picker("Or choose files, or drop files or a folder here", { multiple: true }, `images, a zip of images, a csv, an npz, recordings ...; up to ${bytes(largest)}`),
    picker("Or choose a folder", { webkitdirectory: true }, "folders in it are classes"),
  ];
}

export function dropZone(zone, largest, copied) {
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);  // before any wait
    attempt(async () => send((await Promise.all(entries.map(filesOf))).flat(), largest, copied));
  });
}

// Return the files of a dropped file or folder as pairs of path and file.
async function filesOf(entry) {
  if (entry.isFile) return [[entry.fullPath.slice(1), await new Promise((done, fail) => entry.file(done, fail))]];
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));  // a hundred at most
    if (!some.length) return (await Promise.all(inside.map(filesOf))).flat();
    inside.push(...some);
  }
}

// Return the same files without hidden ones, all of them below one folder; a single file stays alone.
export function belowOneFolder(files) {
  const visible = files.filter(([path]) => !path.split("/").some((part) => part.startsWith(".")));
  if (visible.length === 1 && !visible[0][0].includes("/")) return visible;
  const tops = new Set(visible.map(([path]) => (path.includes("/") ? path.split("/")[0] : "")));
  return tops.size === 1 && !tops.has("") ? visible : visible.map(([path, file]) => [`${LOOSE}/${path}`, file]);
}

function send(given, largest, copied) {
  return attempt(async () => {
    const files = belowOneFolder(given);
    if (!files.length) throw new Error("There is no file in it: choose files, or a folder that has some.");
    const total = files.reduce((sum, [, file]) => sum + file.size, 0);
    const what = files.length === 1 ? files[0][0] : `${count(files.length)} files`;
    if (total > largest) throw new Error(`${what}: ${bytes(total)} are more than ${bytes(largest)}. Write the path into the field instead.`);
    say(`Copying ${what} ...`);
    const source = files.length === 1 && !files[0][0].includes("/") ? (await upload("/api/upload", files[0][1])).source : await sendSet(files);
    say(`${what} copied`);
    copied(source);
  });
}

// Send files one after another into one set, and return the path of their folder.
async function sendSet(files) {
  let answer = { set: "" };
  for (const [k, [path, file]] of files.entries()) {
    answer = await upload("/api/upload", file, { name: path, set: answer.set });
    if ((k + 1) % FILES_PER_MESSAGE === 0) say(`Copying ${count(k + 1)} of ${count(files.length)} files ...`);
  }
  return answer.source;
}
