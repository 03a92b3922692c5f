// Prints the results of `node --test` in libtest's form, which `cargo xtask test` reads:
// `test <suite> > <name> ... ok`, each failure's reason, and a summary.

import { relative } from "node:path";

export default async function* report(events) {
  const counts = { passed: 0, failed: 0, ignored: 0 };
  const suites = [];
  for await (const { type, data } of events) {
    if (type === "test:start") {
      suites.length = data.nesting;
      suites[data.nesting] = data.name;
    } else if (type === "test:pass" || type === "test:fail") {
      const failed = type === "test:fail";
      if (!isTest(data, failed)) continue;
      const names = [...suites.slice(0, data.nesting), data.name].map(oneLine).join(" > ");
      const result = failed
        ? "FAILED"
        : data.skip !== undefined || data.todo !== undefined
          ? "ignored"
          : "ok";
      counts[{ FAILED: "failed", ignored: "ignored", ok: "passed" }[result]] += 1;
      yield `test ${names} ... ${result}\n`;
      if (failed) yield `${reason(data)}\n`;
    } else if (type === "test:diagnostic" || type === "test:stderr" || type === "test:stdout") {
      if (type !== "test:diagnostic" && data.message.trim()) yield indented(data.message);
    }
  }
  const { passed, failed, ignored } = counts;
  const word = failed ? "FAILED" : "ok";
  yield `test result: ${word}. ${passed} passed; ${failed} failed; ${ignored} ignored\n`;
}

// A suite is its tests; a file that passes as a whole is one that held no test. Either counts
// when it fails by itself: a hook that threw, a file that cannot be imported.
function isTest(data, failed) {
  const suite = data.details?.type === "suite";
  const file = data.file !== undefined && data.nesting === 0 && data.file.endsWith(data.name);
  if (!suite && !file) return true;
  return failed && data.details.error?.failureType !== "subtestsFailed";
}

function reason({ details, file, line }) {
  const error = details?.error?.cause ?? details?.error;
  const at = file ? `${relative(process.cwd(), file)}${line ? `:${line}` : ""}\n` : "";
  return indented(at + (error?.stack ?? error?.message ?? String(error)));
}

function indented(text) {
  return text.trimEnd().replace(/^/gm, "    ") + "\n";
}

function oneLine(name) {
  return name.replace(/\s+/g, " ");
}
