import { checkedBody } from '../../../../gateway/http/bodies/check';

export const check = (text: string | Uint8Array, needsUser = false, kind: 'submit' | 'track' = 'submit') =>
  checkedBody({
    kind,
    chunks: [typeof text === 'string' ? Buffer.from(text) : text],
    needsUser,
    wantsDigest: false,
  });
export const body = (workflow: unknown, more = {}) => JSON.stringify({ type: 't', userId: 'u', workflow, ...more });
