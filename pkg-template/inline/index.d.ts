// The same with the wasm inside, for bundlers that copy no file named by
// `new URL(…, import.meta.url)`, such as esbuild.

export * from "../index.js";
