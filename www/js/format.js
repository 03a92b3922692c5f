// How numbers and times are written, in one place.

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export const count = (n) => whole.format(n);

export const plural = (n, noun) => `${whole.format(n)} ${noun}${n === 1 ? "" : "s"}`;

export const timeOfDay = (date) => clock.format(date);

export const hourOfDay = (seconds) => hour.format(new Date(seconds * 1000));

/** Three figures at most: 0.42, 4.2, 42, 420. */
export const milliseconds = (ms) =>
  ms < 1 ? ms.toFixed(2) : ms < 10 ? ms.toFixed(1) : whole.format(Math.round(ms));
