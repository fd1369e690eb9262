#!/usr/bin/env node
// Builds every fuzz target once and runs each for a while on its corpus, with the stable toolchain and nothing installed.
//
//   node fuzz/run.mjs [--seconds N] [--target NAME]... [--jobs N] [--list]
//
// The flags are those of cargo-fuzz without a sanitizer: Rust's own checks find what matters here, and they need no nightly. New inputs
// are kept beside the build, never in fuzz/corpus; whatever makes a target fail lies in fuzz/artifacts/TARGET. Exit code 1 then.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = dirname(fileURLToPath(import.meta.url));
const ALL = [...readFileSync(join(HERE, 'Cargo.toml'), 'utf8').matchAll(/^\[\[bin\]\]\nname = "(.*)"/gm)].map((m) => m[1]);
const LIMITS = ['-timeout=10', '-rss_limit_mb=2048', '-print_final_stats=1', '-verbosity=1'];
const SANITIZER_COVERAGE = ['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'];

function usage(problem) {
  console.error(`${problem}\nusage: node fuzz/run.mjs [--seconds N] [--target NAME]... [--jobs N] [--list]\ntargets: ${ALL.join(' ')}`);
  process.exit(2);
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '30' },
        target: { type: 'string', multiple: true, default: [] },
        jobs: { type: 'string', default: String(availableParallelism()) },
        list: { type: 'boolean' },
      },
    });
    const number = (name) => (/^[1-9]\d{0,6}$/.test(values[name]) ? Number(values[name]) : usage(`--${name} ${values[name]}: not a number from 1 on`));
    const targets = values.target.flatMap((names) => names.split(','));
    const unknown = targets.find((name) => !ALL.includes(name));
    if (unknown !== undefined) usage(`there is no target ${unknown}`);
    return { seconds: number('seconds'), jobs: number('jobs'), targets: targets.length > 0 ? targets : ALL, list: values.list };
  } catch (error) {
    return usage(error.message);
  }
}

/** Builds for a named platform, so that build scripts and macros stay without instrumentation. Gives where the programs are. */
function build(targets) {
  const host = /^host: (.*)$/m.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout ?? '')?.[1];
  if (!host) usage('rustc does not answer; install Rust first: https://rustup.rs');
  const into = process.env.CARGO_TARGET_DIR ? resolve(process.env.CARGO_TARGET_DIR, 'fuzz') : join(HERE, 'target');
  const flags = [
    '--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-simplifycfg-branch-fold-threshold=0',
    ...SANITIZER_COVERAGE.map((option) => `-Cllvm-args=-sanitizer-coverage-${option}`),
  ].join(' ');
  const bins = targets.flatMap((name) => ['--bin', name]);
  const args = ['build', '--quiet', '--locked', '--release', '--target', host, '--target-dir', into, ...bins];
  const env = { ...process.env, RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} ${flags}`.trim() };
  const cargo = spawnSync('cargo', args, { cwd: HERE, stdio: 'inherit', env });
  if (cargo.status !== 0) process.exit(1);
  return { programs: join(into, host, 'release'), work: join(into, 'corpus') };
}

/** Runs one target; what it says goes to the result, and to the screen only where it failed. */
function run(name, { programs, work }, seconds) {
  const [own, artifacts] = [join(work, name), join(HERE, 'artifacts', name)];
  for (const dir of [own, artifacts]) mkdirSync(dir, { recursive: true });
  const args = [...LIMITS, `-max_total_time=${seconds}`, `-artifact_prefix=${artifacts}/`];
  const dictionary = join(HERE, 'dict', `${name}.dict`);
  if (existsSync(dictionary)) args.push(`-dict=${dictionary}`);
  const before = new Set(readdirSync(artifacts));
  return new Promise((done) => {
    const child = spawn(join(programs, name), [...args, own, join(HERE, 'corpus', name)], { stdio: ['ignore', 'ignore', 'pipe'] });
    let told = '';
    child.stderr.on('data', (part) => (told = (told + part).slice(-200_000)));
    child.on('error', (error) => done({ name, status: 1, told: String(error), found: [], executed: 0, coverage: 0, took: 0 }));
    const began = Date.now();
    child.on('close', (status) => {
      const found = readdirSync(artifacts).filter((file) => !before.has(file) && !file.startsWith('slow-unit-'));
      const executed = Number(/number_of_executed_units:\s*(\d+)/.exec(told)?.[1] ?? 0);
      const coverage = Number([...told.matchAll(/\bcov: (\d+)/g)].at(-1)?.[1] ?? 0);
      done({ name, status, told, found, executed, coverage, took: (Date.now() - began) / 1000 });
    });
  });
}

function row(cells) {
  const widths = [-12, 8, 12, 9, 9, 9];
  console.log(cells.map((cell, at) => (widths[at] < 0 ? String(cell).padEnd(-widths[at]) : String(cell).padStart(widths[at]))).join(' '));
}

const { seconds, jobs, targets, list } = options();
if (list) {
  console.log(ALL.join('\n'));
  process.exit(0);
}
const built = build(targets);
row(['target', 'seconds', 'executions', 'exec/s', 'coverage', 'findings']);
const waiting = [...targets];
const failed = [];
async function worker() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const result = await run(name, built, seconds);
    const { executed, coverage, found, status, took } = result;
    const bad = status !== 0;
    row([name, took.toFixed(0), executed, Math.round(executed / Math.max(took, 1)), coverage, Math.max(found.length, bad ? 1 : 0)]);
    if (bad) failed.push(result);
  }
}
await Promise.all(Array.from({ length: Math.min(jobs, targets.length) }, worker));
for (const { name, told, found } of failed) {
  const lines = told.split('\n');
  const from = lines.findIndex((line) => /panicked at|ERROR: libFuzzer/.test(line));
  console.error(`\n${name} failed:\n${lines.slice(Math.max(from, 0), Math.max(from, 0) + 12).join('\n')}`);
  for (const file of found) {
    console.error(`the input: ${relative(process.cwd(), join(HERE, 'artifacts', name, file))}`);
    console.error(`again:     ${relative(process.cwd(), join(built.programs, name))} <the input>`);
  }
}
process.exitCode = failed.length > 0 ? 1 : 0;
