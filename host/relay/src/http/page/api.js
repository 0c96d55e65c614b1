// The API: requests with the token where one is needed, and the stream of events.

const KEY = "baton-token";

/** A link may bring the token along, as `baton dev` prints it; it does not stay in the address. */
function tokenFromAddress() {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(KEY, decodeURIComponent(found[1]));
  history.replaceState(null, "", "#/inbox");
}
tokenFromAddress();

function headers() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

let asking = null;

/** Asks the person for a token, once for all requests that wait. */
function askForToken() {
  asking ||= new Promise((resolve) => {
    const dialog = document.getElementById("login");
    const input = document.getElementById("token");
    input.value = "";
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, input.value.trim());
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export async function request(path, options = {}) {
  for (;;) {
    const response = await fetch(`/api/v1${path}`, { ...options, headers: { ...headers(), ...options.headers } });
    if (response.status === 401) {
      await askForToken();
      continue;
    }
    if (response.ok) return response;
    let detail = response.statusText;
    try {
      const problem = await response.json();
      detail = problem.detail || problem.title || detail;
    } catch { /* no problem document */ }
    throw Object.assign(new Error(detail), { status: response.status });
  }
}

export const get = async (path) => (await request(path)).json();
export const text = async (path) => (await request(path)).text();
export const blob = async (path) => (await request(path)).blob();

/** Calls back for each event, for ever; `state` hears "live" and "down". */
export async function watch(event, state) {
  for (;;) {
    try {
      const response = await request("/events");
      state("live");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        rest += value;
        const records = rest.split("\n\n");
        rest = records.pop();
        for (const record of records) {
          const data = record.split("\n").find((line) => line.startsWith("data: "));
          if (data) event(JSON.parse(data.slice(6)));
        }
      }
    } catch { /* the relay is gone or being restarted */ }
    state("down");
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
