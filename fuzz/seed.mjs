#!/usr/bin/env node
// Makes the seeds of every target again, from tests/golden, playlists and what is written out below: node fuzz/seed.mjs
//
// It adds to fuzz/corpus and never removes: inputs that once found a fault lie there too, as `regression-*`.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..');
const golden = (name) => readFileSync(join(ROOT, 'tests', 'golden', name));
const json = (name) => JSON.parse(golden(name));

function seed(target, name, bytes) {
  const dir = join(HERE, 'corpus', target);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, name), typeof bytes === 'object' && !Buffer.isBuffer(bytes) ? JSON.stringify(bytes) : bytes);
}

// Messages: the first byte says which.
for (const [kind, name] of Object.entries({
  a: 'ack',
  c: 'clock-probe',
  t: 'clock-answer',
  s: 'state',
  w: 'want',
  r: 'report',
})) {
  seed('messages', name, Buffer.from(kind + JSON.stringify(json(`${name}.json`))));
}
seed('messages', 'last-will', Buffer.from('s' + JSON.stringify(json('last-will.json'))));

const speaker = 'loaxa/1/mau/speakers/cum-loa-01';
for (const kind of ['plan', 'ack', 'time', 'state', 'report', 'want', 'clock']) seed('topics', kind, `${speaker}/${kind}`);
seed('topics', 'chunk', `loaxa/1/mau/media/${'0a'.repeat(32)}/7`);

seed('chunks', 'bitmap', 'CQg' + 'xyz');
seed('chunks', 'empty', '');

// Statements in plain JSON; the targets sign them.
const certificate = (role) => ({ ...json('certificate.json'), role, key: `key:${role}`, highest: 'emergency' });
const approval = { ...json('approval.json'), approver: 'id:approver' };
const [plan, hours] = [json('plan.json'), json('hours.json')];
for (const name of ['certificate', 'approval', 'plan', 'hours', 'ticket', 'trust-list']) seed('envelope', name, json(`${name}.json`));
seed('envelope', 'envelope', json('signed-plan.json').plan);
const morning = plan.made_ms - (plan.made_ms % 86_400_000) + 86_400_000; // 07:00 in Vietnam
const at = (...starts) => ({ ...plan, occurrences: starts.map((start_ms) => ({ content: 0, start_ms })) });
const offered = {
  plan: at(morning),
  certificates: [certificate('dispatcher'), certificate('approver')],
  approvals: [approval],
  hours: [],
  pinned: {},
  accepted: 6,
  now_ms: plan.made_ms,
  forged: '',
};
const open = { ...hours, windows: [['05:00', '12:00'], ['13:00', '24:00']] };
seed('plan', 'usual', offered);
seed('plan', 'hours', { ...offered, hours: [open, { ...open, area: '24133', max_day_s: 20 }], pinned: { 66: 3 } });
seed('plan', 'several', { ...offered, plan: at(morning, morning + 600_000, morning + 1_200_000), hours: [open] });
const contents = [{ ...plan.contents[0], priority: 'emergency' }];
const urgent = { ...approval, highest: 'emergency', valid_until_ms: approval.valid_from_ms + 86_400_000 };
const ticket = { ...json('ticket.json'), approver: 'id:approver', longest_ms: 3_600_000, valid_until_ms: urgent.valid_until_ms };
const night = { ...offered, plan: { ...at(morning - 14_400_000), contents }, approvals: [urgent] };
seed('plan', 'emergency', { ...night, tickets: [ticket] });
seed('plan', 'no-ticket', night);
const trust = { ...json('trust-list.json'), revoked: [], withdrawn: [], two_approvers: [] };
seed('plan', 'trust', { ...offered, trust, pinned_trust: trust.version });
seed('plan', 'older-trust', { ...offered, trust, pinned_trust: trust.version + 1 });
seed('plan', 'revoked', { ...offered, trust: { ...trust, revoked: ['id:approver'] } });
seed('plan', 'revoked-dispatcher', { ...offered, trust: { ...trust, revoked: ['id:dispatcher'] } });
seed('plan', 'two', { ...offered, trust: { ...trust, two_approvers: [{ area: '66', from: 'normal' }] } });
for (const forged of ['plan', 'certificates', 'approvals', 'hours', 'trust']) {
  seed('plan', `forged-${forged}`, { ...offered, hours: [open], trust, pinned_trust: forged === 'trust' ? 1 : 0, forged });
}

// Commands, given a minute after the plan in force was made.
const told_ms = plan.made_ms + 60_000;
const told = (order, life_ms = 60_000) => ({ site: 'mau', area: '66', made_ms: told_ms, valid_until_ms: told_ms + life_ms, order });
for (const [name, order] of Object.entries({ refresh: { spread_ms: 60_000 }, stop: { emergencies: true }, volume: { db: -6 } })) {
  seed('command', name, { command: told({ [name]: order }), now_ms: told_ms + 500 });
  seed('command', `${name}-again`, { command: told({ [name]: order }), now_ms: told_ms + 500, command_ms: told_ms });
}
seed('command', 'refresh-no-clock', { command: told({ refresh: { spread_ms: 0 } }), now_ms: null });
const item = { ...plan.contents[0].items[0], fade_out: false };
const sounding = { start_ms: told_ms + 400, end_ms: told_ms + 400 + item.duration_ms };
const occurrence = { id: `khan-cap@${sounding.start_ms}`, title: 'Lũ', ...sounding, priority: 'emergency', volume_db: 0, items: [item] };
const alarm = {
  command: told({ emergency: { occurrence, media: plan.media } }, 400 + item.duration_ms),
  certificates: [certificate('approver')],
  approvals: [urgent],
  tickets: [ticket],
  now_ms: told_ms + 100,
};
seed('command', 'emergency', alarm);
seed('command', 'emergency-ended', { ...alarm, stop_ms: told_ms });
for (const forged of ['command', 'certificates', 'approvals', 'tickets']) seed('command', `forged-${forged}`, { ...alarm, forged });

const day = Date.UTC(2026, 10, 22, 17);
seed('hours', 'one', { hours: [hours], from_ms: day, plays: [[21_600_000, 600_000]] });
const plays = Array.from({ length: 8 }, (_, n) => [18_000_000 + n * 3_600_000, 1_800_000]);
seed('hours', 'two', { hours: [hours, { ...open, time_zone: 'America/New_York', max_day_s: 3600 }], from_ms: day, plays });

seed('clock', 'honest', Buffer.from([1, ...Array.from({ length: 255 }, (_, n) => (n * 37) % 256)]));
seed('clock', 'anything', Buffer.from([0, ...Array.from({ length: 255 }, (_, n) => (n * 91) % 256)]));

// Rules with all that tests/golden/rules says of them.
let number = 0;
for (const file of readdirSync(join(ROOT, 'tests/golden/rules')).filter((name) => name.endsWith('.json'))) {
  for (const { toml } of json(join('rules', file))) {
    number += 1;
    if (toml.length < 1_500 && number % 3 === 0) seed('schedule', `${file.replace('.json', '')}-${number}`, toml);
    const cron = /cron = "([^"]*)"/.exec(toml)?.[1];
    if (cron && number % 2 === 0) seed('cron', `${file.replace('.json', '')}-${number}`, cron);
  }
}
for (const name of ['xa-mau', 'lich-am', 'mot-ban-tin']) {
  const text = readFileSync(join(ROOT, 'playlists', `${name}.toml`), 'utf8');
  seed('schedule', name, text.replace(/#.*$/gm, '').replace(/\n\s*\n+/g, '\n').slice(0, 6_000));
}
seed('schedule', 'all', `[calendar.le]
title = "Lễ"
days = ["2027-01-01..2027-01-03", "lunar:1/1"]
except = ["solar:2/1"]
[bulletin.tin]
title = "Tin"
file = "tin.opus"
language = "vie"
area = "66"
[programme.sang]
title = "Sáng"
items = ["tin", { pause_s = 2 }]
[schedule.sang]
title = "Sáng"
at = ["05:30", "17:00:30"]
weekdays = ["t2", "sun"]
days_of_month = [1, -1]
repeat = { times = 3, every_min = 10 }
time_zone = "America/New_York"
from = 2026-11-01
until = "2027-12-31"
not_on = ["calendar:le", "holidays:vn"]
instead_on = [{ on = ["lunar:15"], at = ["06:00"], programme = "sang" }]
exceptions = [{ at = "2027-01-01T05:30", move_to = "2027-01-01T06:15" }, { extra = "2027-01-01T09:00" }, { at = "2027-01-02", skip = true }]
duration_s = 600
priority = "normal"
clash = "resume"
wait_s = 60
volume_db = -3.0
area = "66"
targets = ["24133", "speaker:cum-loa-01"]
programme = "sang"
`);

const items = [{ tune: 'nhac' }, { opening: 'xuong' }, 'tin', { pause_s: 5 }, { relay: 'https://radio.example/vov1', minutes: 15 }];
seed('programme', 'json', { title: 'Sáng', items: [...items, { filler: 'nhac' }, { closing: 'ket' }] });
seed('programme', 'toml', 'title = "Sáng"\nitems = ["tin", { tune = "nhac" }, { relay = "line:1", minutes = 15 }, { pause_s = 2 }]\n');

seed('playlist', 'm3u', `0#EXTM3U
#PLAYLIST:Buổi sáng
#LOAXA-PAUSE:5
#LOAXA-ITEM:kind=tune,bulletin=nhac-hieu
#EXTINF:184,Nhạc hiệu "A & B"
https://center.example/sounds/nhac-hieu?a=1&b=2
#LOAXA-ITEM:kind=relay,minutes=15
#EXTINF:900,VOV
https://radio.example/vov1
#LOAXA-RELAY:15,line:1
#EXTINF:61.5 tvg-id="a",Bản tin
file:///D:/Loa/B%E1%BA%A3n%20tin.mp3
`);
seed('playlist', 'xspf', `1<?xml version="1.0" encoding="UTF-8"?>
<playlist version="1" xmlns="http://xspf.org/ns/0/" xmlns:vlc="http://www.videolan.org/vlc/playlist/ns/0/"><title>Sáng &amp; <![CDATA[<tối>]]></title>
<trackList><track><location>https://center.example/a?b=1&amp;c</location><identifier>urn:loaxa:bulletin:nhac-hieu</identifier><title>Nhạc &#7843;</title>
<duration>184000</duration><meta rel="urn:loaxa:kind">tune</meta></track><track><duration>5000</duration><meta rel="urn:loaxa:pause">5</meta></track>
<track><location>https://radio.example/vov1</location><duration>900001</duration><meta rel="urn:loaxa:relay">line:1</meta></track>
<track><location>ban-tin.mp3</location><extension application="x"><vlc:id>0</vlc:id></extension></track></trackList></playlist>
`);

seed('sealed_key', 'good', {});
seed('sealed_key', 'every-field', {
  format: 'loaxa-sealed-key-v1',
  title: 'Người duyệt',
  public_key: 'key:approver',
  memory_kib: 32,
  passes: 1,
  salt: Buffer.alloc(16, 7).toString('base64'),
  nonce: Buffer.alloc(12, 9).toString('base64'),
  sealed: Buffer.alloc(48, 1).toString('base64'),
});

const board = readFileSync(join(ROOT, 'firmware-config', 'controller.toml'), 'utf8');
seed('settings', 'board', board.replace(/#.*$/gm, '').replace(/\n\s*\n+/g, '\n'));
seed('settings', 'environment', '[log]\nlevel = "debug"\nLOAXA_LOG__LEVEL=info\nLOAXA_MQTT__ADDRESS=127.0.0.1:0\nLOAXA_TOKEN=x\n');
seed('settings', 'center', '[http]\naddress = "0.0.0.0:80"\nupload_mb = 64\n[plan]\nedit_lock_s = 60\n[store]\ndatabase = ""\n');

// Sound: the beginnings of the samples, short enough to be decoded often. The first byte is the ending, the second the place.
const audio = (name, bytes) => readFileSync(join(ROOT, 'playlists', 'audio', name)).subarray(0, bytes);
const sound = (name, ending, skip, bytes) => seed('audio', name, Buffer.concat([Buffer.from([ending, skip]), bytes]));
sound('mp3', 0, 0, audio('sot-xuat-huyet.mp3', 3_000));
sound('mp3-skip', 0, 3, audio('sot-xuat-huyet.mp3', 5_000));
sound('m4a', 1, 0, audio('hop-thon.m4a', 93_030).subarray(0, 9_000));
sound('vorbis', 2, 0, audio('loi-xuong.ogg', 9_000));
sound('opus', 3, 2, audio('cat-nuoc.opus', 6_000));
sound('flac', 4, 1, audio('tiem-chung.flac', 9_000));
sound('wav', 5, 1, audio('nhac-hieu.wav', 4_000));
// An AIFF file and WAV files in other codings, written out.
const u16 = (...n) => Buffer.concat(n.map((v) => { const b = Buffer.alloc(2); b.writeUInt16BE(v); return b; }));
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const chunk = (id, body) => Buffer.concat([Buffer.from(id), u32(body.length), body]);
const noise = Buffer.from(Array.from({ length: 800 }, (_, n) => (n * n * 31 + n * 7) % 256));
const comm = Buffer.concat([u16(1), u32(400), u16(16), Buffer.from([0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0])]);
const ssnd = Buffer.concat([u32(0), u32(0), noise]);
sound('aiff', 6, 0, chunk('FORM', Buffer.concat([Buffer.from('AIFF'), chunk('COMM', comm), chunk('SSND', ssnd)])));
const le = (n, size) => { const b = Buffer.alloc(size); b.writeUIntLE(n, 0, size); return b; };
const riff = (id, body) => Buffer.concat([Buffer.from(id), le(body.length, 4), body]);
for (const [name, tag, channels, rate, bits, block, extra] of [
  ['wav-8bit', 1, 2, 8_000, 8, 2, []],
  ['wav-float', 3, 1, 192_000, 32, 4, []],
  ['wav-alaw', 6, 1, 8_000, 8, 1, [le(0, 2)]],
  ['wav-adpcm-ima', 0x11, 1, 11_025, 4, 256, [le(2, 2), le(505, 2)]],
  ['wav-adpcm-ms', 2, 1, 11_025, 4, 256, [le(32, 2), le(500, 2), le(7, 2), ...[256, 0, 512, 65_280, 0, 0, 192, 64, 240, 0, 460, 65_328, 392, 65_304].map((n) => le(n, 2))]],
]) {
  const format = Buffer.concat([le(tag, 2), le(channels, 2), le(rate, 4), le(rate * block, 4), le(block, 2), le(bits, 2), ...extra]);
  sound(name, 5, 0, riff('RIFF', Buffer.concat([Buffer.from('WAVE'), riff('fmt ', format), riff('data', noise)])));
}
