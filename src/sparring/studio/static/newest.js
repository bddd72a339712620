// Requests that follow a slider: numbered, one at a time, and the newest counts.

// Return a function that sends a value. While an answer is awaited, only the newest value waits; `receive` gets the
// answers in the order of their numbers, never one that is older than what it had.
export function newestOnly(send, receive, fail) {
  let number = 0;
  let waiting = null;
  let busy = false;

  async function work() {
    busy = true;
    while (waiting) {
      const { value, id } = waiting;
      waiting = null;
      try {
        const answer = await send(value);
        if (!waiting || waiting.id > id) receive(answer, value, id);
      } catch (error) {
        fail(error);
      }
    }
    busy = false;
  }

  return (value) => {
    number += 1;
    waiting = { value, id: number };
    if (!busy) return work();
    return undefined;
  };
}
