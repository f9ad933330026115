// A second decoder of Cobblestone-256, written from the public specification alone, on Node's crypto.
// Reads every vector in the folder given and prints one JSON object: name → what it found.
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const CHUNK = 16384, TAG = 16, SALT = 24, COMMITMENT = 32;

class Refused extends Error {}

function hkdfExpand(key, info, length) {
  let previous = Buffer.alloc(0), output = Buffer.alloc(0);
  for (let counter = 1; output.length < length; counter++) {
    previous = createHmac("sha512", key).update(previous).update(info).update(Buffer.from([counter])).digest();
    output = Buffer.concat([output, previous]);
  }
  return output.subarray(0, length);
}

function encodeContext({ tenant, object_id, kind, version }) {
  const framed = [tenant, object_id, kind].flatMap((field) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(field.length);
    return [length, Buffer.from(field, "ascii")];
  });
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(version));
  return Buffer.concat([Buffer.from("partvault/object/v1\0", "ascii"), ...framed, number]);
}

function openChunk(keys, index, sealed) {
  const nonce = Buffer.from(keys.base);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8);
  const cipher = createDecipheriv("aes-256-gcm", keys.aead, nonce, { authTagLength: TAG });
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(0, sealed.length - TAG)), cipher.final()]);
  } catch {
    throw new Refused("altered");
  }
}

function decode(ciphertext, key, context) {
  if (ciphertext.length < SALT + COMMITMENT) throw new Refused("truncated");
  const salt = ciphertext.subarray(0, SALT);
  const label = Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", "ascii");
  const derived = hkdfExpand(key, Buffer.concat([label, salt, encodeContext(context)]), 76);
  const keys = { aead: derived.subarray(0, 32), base: derived.subarray(32, 44) };
  if (!timingSafeEqual(derived.subarray(44), ciphertext.subarray(SALT, SALT + COMMITMENT))) {
    throw new Refused("wrong_context");
  }
  const plain = [];
  for (let index = 0, at = SALT + COMMITMENT; ; index++, at += CHUNK + TAG) {
    const sealed = ciphertext.subarray(at, at + CHUNK + TAG);
    if (sealed.length < TAG) throw new Refused("truncated");
    plain.push(openChunk(keys, index, sealed));
    if (sealed.length < CHUNK + TAG) return Buffer.concat(plain);
  }
}

const folder = process.argv[2];
const vectors = Object.fromEntries(readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => {
  const vector = JSON.parse(readFileSync(join(folder, name)));
  return [vector.name, vector];
}));

function assemble(vector) {
  if (vector.ciphertext !== undefined) return Buffer.from(vector.ciphertext, "base64");
  return Buffer.concat(vector.parts.map((part) => {
    if (part.hex !== undefined) return Buffer.from(part.hex, "hex");
    const slice = Buffer.from(assemble(vectors[part.of]).subarray(part.start, part.end ?? undefined));
    if (part.flip !== undefined) slice[part.flip] ^= 1;
    return slice;
  }));
}

const answers = {};
for (const vector of Object.values(vectors)) {
  try {
    const plain = decode(assemble(vector), Buffer.from(vector.key, "hex"), vector.context);
    answers[vector.name] = { found: "ok", sha256: createHash("sha256").update(plain).digest("hex") };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    answers[vector.name] = { found: error.message };
  }
}
process.stdout.write(JSON.stringify(answers));
