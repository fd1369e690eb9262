// Checks where everything that loaxa is built from comes from, and under which licence. Part of `make lint`.
//
//   node .ci/licences.mjs [--metadata FILE] [--cargo-lock FILE]... [--npm-lock FILE]
//
// It believes what each package declares; it does not read licence texts. The options put another file in the place of
// what cargo says or of a lock file, to see the check fail.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index";
const NPM = "https://registry.npmjs.org/";
const ADVISORIES = "https://github.com/RustSec/advisory-db";
// A centre is an ordinary server; the boards are 64-bit ARM.
const TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];
// The product and its fuzz targets, which are a workspace of their own.
const WORKSPACES = [".", "fuzz"];

const PERMISSIVE = new Set([
  "0BSD",
  "Apache-2.0",
  "Apache-2.0 WITH LLVM-exception",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BSL-1.0",
  "CC0-1.0",
  "CDLA-Permissive-2.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Unicode-3.0",
  "Unlicense",
  "Zlib",
]);

// Packages that may have one more licence, each with the reason. One that is no longer needed is an offence too.
const EXCEPTIONS = [
  {
    kind: "crate",
    name: /^libfuzzer-sys$/,
    licence: "NCSA",
    why: "LLVM's libFuzzer comes under its own permissive licence, that of the University of Illinois; fuzz targets only",
  },
  {
    kind: "crate",
    name: /^symphonia(-[a-z0-9-]+)?$/,
    licence: "MPL-2.0",
    why: "asked for by name; copyleft by file, and its files are used as published: crates.io is the only source",
  },
  {
    kind: "npm package",
    name: /^@expo-google-fonts\/tinos$/,
    licence: "OFL-1.1",
    why: "a typeface for papers, embedded in them as its licence allows; its text goes along in fonts/",
  },
  {
    kind: "npm package",
    name: /^argparse$/,
    licence: "Python-2.0",
    dev: true,
    why: "the Python Software Foundation's own permissive licence; comes with what makes the page's types, no part of the page",
  },
  {
    kind: "npm package",
    name: /^(axe-core|@axe-core\/playwright)$/,
    licence: "MPL-2.0",
    dev: true,
    why: "finds accessibility faults in the tests; no part of the page",
  },
  {
    kind: "npm package",
    name: /^lightningcss(-[a-z0-9-]+)?$/,
    licence: "MPL-2.0",
    dev: true,
    why: "shortens style sheets while the page is built; no part of the page",
  },
];

const offences = new Set();
const excepted = new Set();
const exceptionsUsed = new Set();

/**
 * Whether `allowed` satisfies an SPDX expression: any side of OR, both sides of AND. AND binds tighter. The slash of
 * old manifests ("MIT/Apache-2.0") means OR. Throws on what is no expression.
 */
function satisfied(expression, allowed) {
  const tokens = expression.match(/[()/]|[^\s()/]+/g) ?? [];
  const operators = new Set(["OR", "AND", "WITH", "(", ")", "/"]);
  let at = 0;
  const next = (...expected) =>
    expected.includes(tokens[at]) ? tokens[at++] : undefined;

  function identifier() {
    const token = tokens[at];
    if (token === undefined || operators.has(token))
      throw new Error(`unexpected ${token ?? "end"}`);
    at += 1;
    return token;
  }
  function single() {
    if (!next("(")) {
      const licence = identifier();
      return allowed(
        next("WITH") ? `${licence} WITH ${identifier()}` : licence,
      );
    }
    const inner = any();
    if (!next(")")) throw new Error("a bracket is not closed");
    return inner;
  }
  function all() {
    let result = single();
    while (next("AND")) result = single() && result;
    return result;
  }
  function any() {
    let result = all();
    while (next("OR", "/")) result = all() || result;
    return result;
  }

  const result = any();
  if (at < tokens.length) throw new Error(`unexpected ${tokens[at]}`);
  return result;
}

/** `kind` is "crate" or "npm package"; `dev` says that the package only builds or tests. */
function checkLicence({ kind, name, version, licence, dev = false }) {
  const label = `${kind} ${name} ${version}`;
  if (typeof licence !== "string" || licence.trim() === "") {
    offences.add(`${label}: declares no licence expression`);
    return;
  }
  try {
    if (satisfied(licence, (id) => PERMISSIVE.has(id))) return;
    const exception = EXCEPTIONS.find(
      (e) => e.kind === kind && e.name.test(name) && (dev || !e.dev),
    );
    if (
      exception &&
      satisfied(licence, (id) => PERMISSIVE.has(id) || id === exception.licence)
    ) {
      exceptionsUsed.add(exception);
      excepted.add(label);
    } else {
      offences.add(`${label}: "${licence}" is not a permissive licence`);
    }
  } catch (error) {
    offences.add(
      `${label}: "${licence}" is no licence expression: ${error.message}`,
    );
  }
}

function cargoMetadata(workspace, target) {
  const options = [
    "--format-version",
    "1",
    "--locked",
    "--all-features",
    "--filter-platform",
    target,
  ];
  const cargo = spawnSync("cargo", ["metadata", ...options], {
    cwd: join(ROOT, workspace),
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (cargo.status !== 0) {
    console.error(
      `cargo metadata failed for ${target} in ${workspace}; see above ${cargo.error ?? ""}`.trim(),
    );
    process.exit(1);
  }
  return JSON.parse(cargo.stdout);
}

/** Checks the crates that are built for any of the targets, development dependencies included. Returns how many. */
function checkCrates(metadatas) {
  const foreign = new Set();
  for (const { packages, workspace_members: members } of metadatas) {
    for (const { id, name, version, license: licence, source } of packages) {
      if (members.includes(id) || (name === "loaxa" && source === null))
        continue;
      foreign.add(id);
      if (source !== CRATES_IO) {
        offences.add(
          `crate ${name} ${version}: comes from ${source ?? "a path outside the workspace"}, not crates.io`,
        );
      }
      checkLicence({ kind: "crate", name, version, licence });
    }
  }
  return foreign.size;
}

/** Cargo.lock also names crates for other platforms, so it is checked by itself. */
function checkCargoLock(path) {
  const text = read(path);
  const lock = relative(ROOT, path);
  for (const [source] of text.matchAll(
    /\b(?:registry|sparse|git)\+[^")\s]+/g,
  )) {
    if (source !== CRATES_IO)
      offences.add(`${lock}: names ${source}, not crates.io`);
  }
  for (const entry of text.split("[[package]]").slice(1)) {
    const field = (name) =>
      entry.match(new RegExp(`^${name} = "(.*)"$`, "m"))?.[1];
    if (field("source") && !field("checksum")) {
      offences.add(
        `${lock}: ${field("name")} ${field("version")} has no checksum`,
      );
    }
  }
}

/** Checks every package that the web lock file names, for whatever platform. Returns how many. */
function checkNpmLock(lock) {
  if (lock.lockfileVersion !== 3) {
    offences.add(
      `package-lock.json: version ${lock.lockfileVersion}, but only version 3 is understood`,
    );
    return 0;
  }
  const packages = Object.entries(lock.packages).filter(
    ([path]) => path !== "",
  );
  for (const [path, entry] of packages) {
    const name = entry.name ?? path.split("node_modules/").at(-1);
    const label = `npm package ${name} ${entry.version ?? ""}`.trim();
    if (!path.includes("node_modules/") || entry.link) {
      offences.add(
        `${label}: is the folder ${entry.resolved ?? path}, not from the registry`,
      );
      continue;
    }
    if (entry.resolved !== undefined && !entry.resolved.startsWith(NPM)) {
      offences.add(`${label}: comes from ${entry.resolved}, not ${NPM}`);
    }
    if (!/^sha512-[A-Za-z0-9+/]+=*$/.test(entry.integrity ?? ""))
      offences.add(`${label}: has no SHA-512 integrity`);
    checkLicence({
      kind: "npm package",
      name,
      version: entry.version,
      licence: entry.license,
      dev: entry.dev,
    });
  }
  return packages.length;
}

/** Asks the Rust advisory database about Cargo.lock, where there is a tool for it and the database can be reached. */
function checkAdvisories() {
  const succeeds = (command, args) => {
    const env = { ...process.env, GIT_TERMINAL_PROMPT: "0" };
    return (
      spawnSync(command, args, {
        cwd: ROOT,
        env,
        stdio: "ignore",
        timeout: 10_000,
      }).status === 0
    );
  };
  const tools = [
    { name: "cargo-deny", args: ["deny", "check", "advisories"] },
    { name: "cargo-audit", args: ["audit"] },
  ];
  if (!succeeds("git", ["ls-remote", "--exit-code", ADVISORIES, "HEAD"])) {
    return console.log(
      "advisories: skipped (their database cannot be reached from here)",
    );
  }
  const tool = tools.find(({ args }) =>
    succeeds("cargo", [args[0], "--version"]),
  );
  if (!tool)
    return console.log(
      "advisories: skipped (neither cargo-deny nor cargo-audit is installed)",
    );
  const { status } = spawnSync("cargo", tool.args, {
    cwd: ROOT,
    stdio: "inherit",
  });
  if (status === 0) {
    console.log(`advisories: none (${tool.name})`);
  } else {
    console.error(`advisories: ${tool.name} failed; see above`);
    process.exitCode = 1;
  }
}

const { values: options } = parseArgs({
  options: {
    metadata: { type: "string" },
    "cargo-lock": { type: "string", multiple: true },
    "npm-lock": { type: "string" },
  },
});
const read = (path) => readFileSync(path, "utf8");
const everywhere = WORKSPACES.flatMap((workspace) =>
  TARGETS.map((target) => [workspace, target]),
);
const crates = checkCrates(
  options.metadata
    ? [JSON.parse(read(options.metadata))]
    : everywhere.map((one) => cargoMetadata(...one)),
);
const locks =
  options["cargo-lock"] ??
  WORKSPACES.map((workspace) => join(ROOT, workspace, "Cargo.lock"));
locks.forEach(checkCargoLock);
const npmPackages = checkNpmLock(
  JSON.parse(
    read(options["npm-lock"] ?? join(ROOT, "web", "package-lock.json")),
  ),
);
for (const { kind, name } of EXCEPTIONS.filter(
  (exception) => !exceptionsUsed.has(exception),
)) {
  // With files from elsewhere, a missing package means nothing.
  if (Object.keys(options).length === 0)
    offences.add(`exception for ${kind} ${name}: no longer needed, remove it`);
}

const counted = `licences: ${crates} crates and ${npmPackages} npm packages`;
if (offences.size === 0) {
  console.log(`${counted}, all permissive; ${excepted.size} by exception`);
} else {
  for (const offence of offences) console.error(offence);
  console.error(`${counted}, ${offences.size} offences`);
  process.exitCode = 1;
}
checkAdvisories();
