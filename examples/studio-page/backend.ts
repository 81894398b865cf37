import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import express, { type Express, type Request } from 'express';
import { SignJWT } from 'jose';

export interface StudioOptions {
  /** Where the gateway is, as browsers reach it; it names this page's origin in `ORIGINS`. */
  readonly gatewayUrl: string;
  /** The gateway's `JWT_SECRET`. */
  readonly secret: Uint8Array;
  /** Who asks, by the application's own session; `undefined` for nobody. */
  readonly userOf: (request: Request) => string | undefined;
  /** The page's script: `page/studio.ts`, bundled. */
  readonly script: string;
}

/** Serves the page, and to who is logged in tokens that are good for five minutes. */
export function studio({ gatewayUrl, secret, userOf, script }: StudioOptions): Express {
  const app = express();
  app.get('/', async (_request, response) => {
    const html = await readFile(join(__dirname, 'page/index.html'), 'utf8');
    const { protocol, host } = new URL(gatewayUrl);
    const sockets = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}`;
    // Its own script, the gateway, and images that it makes of previews; nothing else.
    response.set(
      'Content-Security-Policy',
      `default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self' ${gatewayUrl} ${sockets}; img-src blob: ${gatewayUrl}`,
    );
    response.type('html').send(html.replace('GATEWAY_URL', gatewayUrl));
  });
  app.get('/studio.js', (_request, response) => void response.type('js').send(script));
  app.get('/token', async (request, response) => {
    const user = userOf(request);
    if (user === undefined) return void response.status(401).end();
    const token = await new SignJWT()
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(user)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(secret);
    response.set('Cache-Control', 'no-store').type('text').send(token);
  });
  return app;
}
