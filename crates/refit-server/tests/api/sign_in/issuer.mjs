// An identity provider (npm `oidc-provider`) and a browser, driven by lines of JSON: one question a line, one answer a line.
//
// `start {keys}` listens and gives the issuer; `keys {keys}` goes on with other keys, as after a rotation; `browse {url, login}` signs in as a person does
// with a browser, to the end; `sign {header, claims, key}` makes a token that the provider never gave; `stop` no longer answers.
import { createRequire } from "node:module";
import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

console.info = console.warn = () => {};
const require = createRequire(`${process.argv[2]}/`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const made = new Map();
// A key by its name; the same name is the same key.
function key(name) {
  if (!made.has(name)) {
    const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const jwk = { ...pair.privateKey.export({ format: "jwk" }), kid: name, use: "sig", alg: "RS256" };
    made.set(name, { ...pair, jwk });
  }
  return made.get(name);
}

const groups = { anna: ["security", "all"], otto: ["people"], nobody: ["visitors"] };
let server;
let issuer;
let provider;

function provide(names) {
  const client = (id) => ({
    client_id: id,
    application_type: "native",
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code"],
    response_types: ["code"],
    redirect_uris: ["http://127.0.0.1/callback"],
  });
  provider = new Provider(issuer, {
    clients: [client("refit"), client("other")],
    jwks: { keys: names.map((name) => key(name).jwk) },
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    ttl: { IdToken: 3600 },
    cookies: { keys: ["test"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@Acme.example`, email_verified: id !== "unverified", groups: groups[id] ?? ["security"] }),
    }),
  });
}

// Follows redirects and fills in forms, with cookies, until the loopback address is asked.
async function browse(url, login) {
  const jar = new Map();
  let [method, body] = ["GET", undefined];
  for (let step = 0; step < 20; step += 1) {
    const own = url.startsWith(issuer);
    const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
    if (body) headers["content-type"] = "application/x-www-form-urlencoded";
    const answer = await fetch(url, { method, body, headers: own ? headers : {}, redirect: "manual" });
    const text = await answer.text();
    if (!own) return { status: answer.status, text, url };
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, ...value] = cookie.split(";")[0].split("=");
      jar.set(name, value.join("="));
    }
    [method, body] = ["GET", undefined];
    if (answer.headers.has("location")) {
      url = new URL(answer.headers.get("location"), url).href;
      continue;
    }
    const action = text.match(/<form[^>]*action="([^"]+)"/);
    if (!action) return { status: answer.status, text, url };
    const prompt = text.match(/name="prompt" value="([^"]+)"/)[1];
    url = new URL(action[1], url).href;
    [method, body] = ["POST", new URLSearchParams(prompt === "login" ? { prompt, login, password: "x" } : { prompt }).toString()];
  }
  throw new Error("too many steps");
}

const base64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function sign({ header, claims, key: name }) {
  const signed = `${base64(header)}.${base64(claims)}`;
  const { privateKey, publicKey } = key(name);
  if (header.alg === "none") return `${signed}.`;
  // What a verifier that believes the header takes for a shared secret.
  const secret = publicKey.export({ format: "pem", type: "spki" });
  if (header.alg === "HS256") return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey).toString("base64url")}`;
}

const answers = {
  async start({ keys }) {
    server = createServer((request, response) => provider.callback()(request, response));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    issuer = `http://127.0.0.1:${server.address().port}`;
    provide(keys);
    return { issuer };
  },
  keys: ({ keys }) => (provide(keys), {}),
  browse: ({ url, login }) => browse(url, login),
  sign: (asked) => ({ token: sign(asked) }),
  stop: () => (server.closeAllConnections(), server.close(), {}),
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = await answers[asked.do](asked);
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
