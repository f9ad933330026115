// Redeems tokens with prepared requests: each client its own share, one after the other, over a kept connection.
import http from 'k6/http';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { SharedArray } from 'k6/data';

const shares = new SharedArray('shares', () => JSON.parse(open(__ENV.SHARES)));
const refused = new Counter('refused');
const url = __ENV.URL;
let mine = null;
let next = 0;

export const options = {
  scenarios: {
    redeem: {
      executor: 'constant-vus',
      vus: Number(__ENV.CLIENTS),
      duration: `${__ENV.SECONDS}s`,
      gracefulStop: '30s',
    },
  },
  discardResponseBodies: true,
  noCookiesReset: true,
  systemTags: ['status'],
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(99)', 'max', 'count'],
};

export default function () {
  if (mine === null) {
    mine = shares[(exec.vu.idInTest - 1) % shares.length];
  }
  if (next >= mine.length) {
    exec.test.abort('the tokens are used up; prepare more of them');
  }
  const request = mine[next];
  next += 1;
  const answer = http.post(url, request.body, {
    headers: {
      Authorization: `DPoP ${request.token}`,
      DPoP: request.proof,
      'Idempotency-Key': request.key,
      'Content-Type': 'application/json',
    },
  });
  if (answer.status !== 200) {
    refused.add(1);
    if (next < 3) {
      console.error(`${answer.status} ${answer.error}`);
    }
  }
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify(data.metrics) };
}
