// Sends one file in part by part, and goes on where it broke off: after a lost line by itself, after a reload once the same file is
// chosen again. It knows nothing of bulletins: in the end there is an upload that a bulletin or a revision may use up.
import { ApiError, asApiError, change, get, type Schema } from '../api.ts';
import { draft, dropDraft, keepDraft } from '../drafts.ts';

export type Upload = Schema<'UploadView'>;

/** What this browser remembers of an upload, to know its file again. */
interface Remembered {
  id: string;
  name: string;
  bytes: number;
  mark: string;
}

export type Stage = 'preparing' | 'sending' | 'waiting' | 'done' | 'failed';

const FIRST_PART = 512 * 1024;
const SMALLEST_PART = 128 * 1024;
const LARGEST_PART = 8 * 1024 * 1024;
/** A part should take about so long: short enough to lose little, long enough to waste nothing. */
const PART_MS = 3_000;
const MARKED_BYTES = 64 * 1024;
const PATIENCE_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

export class Sending {
  stage = $state<Stage>('preparing');
  /** Bytes that have left this machine. */
  sent = $state(0);
  /** Bytes a second, over the last moments; null while nobody knows. */
  speed = $state<number | null>(null);
  problem = $state.raw<ApiError | null>(null);
  /** How much was here already when it began. */
  resumed = $state(0);
  upload = $state.raw<Upload | null>(null);

  readonly file: File;
  readonly #done: Promise<string>;
  readonly #memory: string;
  #request: XMLHttpRequest | null = null;
  #wake: (() => void) | null = null;
  #stopped = false;

  /** `whose` keeps the memories of two people at one machine apart. */
  constructor(file: File, whose: string) {
    this.file = file;
    this.#memory = `upload.${whose}`;
    this.#done = this.#run();
    // Whoever waits for it hears of its end; nobody else has to.
    this.#done.catch(() => undefined);
  }

  get part(): number {
    return this.file.size === 0 ? 0 : this.sent / this.file.size;
  }

  /** Seconds left at this speed. */
  get left_s(): number | null {
    return this.speed === null || this.speed <= 0 ? null : (this.file.size - this.sent) / this.speed;
  }

  /** The upload's id, once all of it is there. */
  finished(): Promise<string> {
    return this.#done;
  }

  /** It became a bulletin or a revision; there is nothing left to remember. */
  used(): void {
    if (this.upload !== null) forget(this.#memory, this.upload.id);
  }

  /** Tries again at once instead of in a while. */
  wake(): void {
    this.#wake?.();
  }

  /** Stops, and with `discard` has the center forget what it has. */
  stop(discard: boolean): void {
    this.#stopped = true;
    this.#request?.abort();
    this.#wake?.();
    if (discard && this.upload !== null) {
      this.used();
      void discardUpload(this.upload.id).catch(() => undefined);
    }
  }

  async #run(): Promise<string> {
    for (let failures = 0; ;) {
      try {
        const upload = (this.upload ??= await this.#begin());
        await this.#send(upload, () => (failures = 0));
        this.stage = 'done';
        return upload.id;
      } catch (error) {
        if (this.#stopped) throw error;
        const known = asApiError(error);
        if (known.status === 404 && this.upload !== null && failures === 0) {
          // Forgotten meanwhile, as after a day: from the beginning.
          this.used();
          this.upload = null;
          failures += 1;
          continue;
        }
        // What will not be otherwise the next time is not tried again.
        if (known.status !== null && known.status < 500 && ![401, 408, 429].includes(known.status)) {
          this.problem = known;
          this.stage = 'failed';
          throw known;
        }
        this.problem = known;
        this.stage = 'waiting';
        this.speed = null;
        await this.#patience(PATIENCE_MS[Math.min(failures, PATIENCE_MS.length - 1)] ?? 15_000);
        failures += 1;
        if (this.#stopped) throw known;
      }
    }
  }

  /** An upload of this very file that is there already, or a new one. */
  async #begin(): Promise<Upload> {
    const mark = await markOf(this.file);
    const same = ({ name, bytes, mark: theirs }: Remembered) =>
      name === this.file.name && bytes === this.file.size && theirs === mark;
    const known = remembered(this.#memory).find(same);
    if (known !== undefined) {
      try {
        const upload = await get('/uploads/{id}', { in: { id: known.id } });
        this.resumed = this.sent = upload.received;
        return upload;
      } catch (error) {
        if (asApiError(error).status !== 404) throw error;
        forget(this.#memory, known.id);
      }
    }
    const { name, size } = this.file;
    const upload = await change('post', '/uploads', { body: { file_name: name, bytes: size } });
    const others = remembered(this.#memory).filter((one) => one.id !== upload.id);
    keepDraft(this.#memory, [...others, { id: upload.id, name, bytes: size, mark }].slice(-10));
    return upload;
  }

  async #send(upload: Upload, moved: () => void): Promise<void> {
    let size = FIRST_PART;
    let offset = (await get('/uploads/{id}', { in: { id: upload.id } })).received;
    this.sent = offset;
    while (offset < this.file.size) {
      if (this.#stopped) throw new ApiError(null, 'stopped', '');
      this.stage = 'sending';
      this.problem = null;
      const began = performance.now();
      const next = await this.#put(upload.id, offset, this.file.slice(offset, offset + size));
      const took_ms = Math.max(1, performance.now() - began);
      if (next > offset) {
        moved();
        const now = ((next - offset) * 1000) / took_ms;
        this.speed = this.speed === null ? now : this.speed * 0.7 + now * 0.3;
        const wanted = (now * PART_MS) / 1000;
        size = Math.round(Math.min(LARGEST_PART, Math.max(SMALLEST_PART, wanted, size / 4), size * 4));
      }
      this.sent = offset = next;
    }
  }

  /** Sends a part and gives where the next one begins. `fetch` does not tell how far it is. */
  #put(id: string, offset: number, part: Blob): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.#request = request;
      request.open('PUT', `/api/v1/uploads/${encodeURIComponent(id)}?offset=${offset}`);
      request.setRequestHeader('content-type', 'application/octet-stream');
      request.upload.onprogress = ({ loaded }) => (this.sent = offset + loaded);
      const lost = () => reject(new ApiError(null, 'no answer', ''));
      request.onerror = lost;
      request.onabort = lost;
      request.ontimeout = lost;
      request.timeout = 120_000;
      request.onload = () => {
        const at = Number.parseInt(request.getResponseHeader('upload-offset') ?? '', 10);
        const settled = request.status === 200 || request.status === 409;
        if (settled && Number.isFinite(at)) resolve(at);
        else reject(new ApiError(request.status === 409 ? 408 : request.status, request.statusText, detailOf(request)));
      };
      request.send(part);
    });
  }

  async #patience(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      window.addEventListener('online', this.#wake, { once: true });
    });
    if (this.#wake !== null) window.removeEventListener('online', this.#wake);
    this.#wake = null;
  }
}

function detailOf(request: XMLHttpRequest): string {
  try {
    const { detail } = JSON.parse(request.responseText) as { detail?: unknown };
    return typeof detail === 'string' ? detail : '';
  } catch {
    return '';
  }
}

function remembered(memory: string): Remembered[] {
  return draft<Remembered[]>(memory) ?? [];
}

function forget(memory: string, id: string): void {
  const left = remembered(memory).filter((one) => one.id !== id);
  if (left.length === 0) dropDraft(memory);
  else keepDraft(memory, left);
}

export async function discardUpload(id: string): Promise<void> {
  await change('delete', '/uploads/{id}', { in: { id } });
}

/** Tells two files of one name and size apart (FNV-1a of the beginning); against nobody's ill will. */
async function markOf(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.slice(0, MARKED_BYTES).arrayBuffer());
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}
