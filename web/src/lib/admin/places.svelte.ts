// The areas as the administration needs them: all that one sees, and the name of each.
import { get, type Schema } from '../api.ts';
import { follow, type Resource } from '../resource.svelte.ts';

export type Area = Schema<'AreaView'>;

export class Places {
  readonly #read: Resource<Area[]> = follow(
    [],
    () => 'areas',
    (_, signal) => get('/areas', { signal }) as Promise<Area[]>,
  );

  get areas(): Area[] {
    return this.#read.value ?? [];
  }

  /** "Phường Ea Kao (24169)"; the code alone where the area is not known. */
  name(code: string): string {
    const area = this.areas.find((area) => area.code === code);
    return area === undefined ? code : `${area.title} (${code})`;
  }

  /** Without the code, for where it would only be in the way. */
  title(code: string): string {
    return this.areas.find((area) => area.code === code)?.title ?? code;
  }
}
