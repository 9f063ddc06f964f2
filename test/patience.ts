/**
 * How long a test waits for what comes to pass by itself, in ms: on a busy machine it takes its time, and comes all the
 * same.
 */
export const patienceMs = 60_000;
