// Applies the chosen theme before the first paint and lets the button change it. A classic
// script in the head on purpose: a module would run after the page has flashed in the other one.
{
  const KEY = "tallymark-demo-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  const show = () => {
    document.querySelector("#theme")?.setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new Event("themechange"));
  };

  const choose = (theme) => {
    root.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Blocked storage: the choice holds for this page.
    }
    show();
  };

  try {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Blocked storage: the system's choice holds.
  }

  system.addEventListener("change", show);
  addEventListener("DOMContentLoaded", () => {
    show();
    const button = document.querySelector("#theme");
    button?.addEventListener("click", () => choose(isDark() ? "light" : "dark"));
  });
}
