import { misspeltIn } from '../../../../gateway/cli/settings/settings';

test.each([
  ['COMFY_URL', 'COMFYUI_URL'],
  ['COMFYUI_URLS', 'COMFYUI_URL'],
  ['comfyui_url', 'COMFYUI_URL'],
  ['REDIS_URI', 'REDIS_URL'],
  ['REDISURL', 'REDIS_URL'],
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['DATADIR', 'DATA_DIR'],
  ['ORIGIN', 'ORIGINS'],
  ['JWT_SERCET', 'JWT_SECRET'],
  ['WEBHOOKS_SECRET', 'WEBHOOK_SECRET'],
  ['REQUEST_PER_MINUTE', 'REQUESTS_PER_MINUTE'],
])('%s is probably %s', (name, meant) => {
  expect(misspeltIn({ [name]: 'x' })).toEqual([{ field: name, message: `is no setting; did you mean ${meant}?` }]);
});

test('what other programs read is nobody’s slip', () => {
  const others =
    'HOME HOSTNAME HOSTS POST PATH PWD OLDPWD SHELL SHLVL TERM USER LOGNAME LANG LC_ALL LS_COLORS TZ MAIL EDITOR DEBUG NODE_ENV NODE_OPTIONS ' +
    'HTTP_PROXY https_proxy NO_PROXY ALL_PROXY REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_SERVICE_HOST COMFYUI_HOST COMFYUI_PORT COMFYUI_SERVICE_PORT ' +
    'METRICS_SERVICE_HOST JWT_EXPIRES_IN WEBHOOK_URL DATABASE_URL BASE_URL KUBERNETES_PORT npm_config_loglevel npm_config_prefix npm_package_name';
  expect(misspeltIn(Object.fromEntries(others.split(' ').map((name) => [name, 'x'])))).toEqual([]);
});

test('nor is a setting, one that is empty, or one beside the setting that it is near', () => {
  expect(misspeltIn({ REDIS_URL: 'x', REDIS_URI: 'x', METRICS_PORT: '1', LOGLEVEL: '' })).toEqual([]);
});
