// Asks the browser to keep the page on the device (service-worker.ts). Where it will not, as with a certificate that it does not
// trust, everything works as before, with the line.

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
}

export function keepOnDevice(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const url = '/service-worker.js';
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const trusted = trustedTypes?.createPolicy('loaxa-service-worker', { createScriptURL: () => url });
  void navigator.serviceWorker.register(trusted?.createScriptURL('') ?? url).catch(() => undefined);
}
