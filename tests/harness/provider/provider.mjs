// An OpenID provider that gives JWT access tokens to one client, by its secret. Arguments: the port,
// the id of its key, the life of tokens in seconds, and where certificate and key are.
//
// The key is made from its id: a provider that is started again with the same id has the same key.

import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { Provider } from 'oidc-provider';

const [port, kid, life, certificate, key, folder] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;

const file = `${folder}/${createHash('sha256').update(kid).digest('hex')}.pem`;
if (!existsSync(file)) {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(file, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
}
const jwk = createPrivateKey(readFileSync(file)).export({ format: 'jwk' });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...jwk, kid, use: 'sig', alg: 'RS256' }] },
  clients: [{
    client_id: 'planner',
    client_secret: 'planner-secret',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (ctx, resource) => ({
        scope: 'team:data team:ads',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: Number(life),
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  // What a real one knows of its clients, here as they ask for it.
  extraTokenClaims: async (ctx, token) => ({
    team: (token.scope ?? '').split(':')[1],
    groups: ['agents', 'dba'],
  }),
});

createServer(
  { cert: readFileSync(certificate), key: readFileSync(key) },
  provider.callback(),
).listen(Number(port), '127.0.0.1');
