// The package as its users get it: packed once, then installed from the tarball into an empty
// folder for each consumer.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../../pkg", import.meta.url));

/** Packs; `folder` is gone after the tests of `scope`, `packed` is what npm says of the tarball. */
export function pack(scope) {
  const folder = mkdtempSync(join(tmpdir(), "tallymark-package-"));
  scope.after(() => rmSync(folder, { recursive: true }));
  const said = execFileSync("npm", ["pack", PACKAGE, "--json"], { cwd: folder, encoding: "utf8" });
  const [packed] = JSON.parse(said);
  return { packed, tarball: join(folder, packed.filename), folder };
}

/** A consumer: a folder of its own with `files` in it, and the package installed. */
export function consume({ folder, tarball }, name, files = {}) {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(join(home, "package.json"), '{"private":true,"type":"module"}');
  const install = ["install", "--offline", "--no-audit", "--no-fund", tarball];
  execFileSync("npm", install, { cwd: home, encoding: "utf8" });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  return home;
}

/** Runs Node in the folder; what it prints, as JSON. This process can answer meanwhile. */
export async function runNode(home, args, env = {}) {
  const child = spawn(process.execPath, args, {
    cwd: home,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"])
    child[name].on("data", (chunk) => printed[name].push(chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${Buffer.concat(printed.stderr)}`);
  return JSON.parse(Buffer.concat(printed.stdout));
}
