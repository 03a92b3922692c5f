// Applies the chosen theme before the first paint and lets the button change it. A classic
// script in the head on purpose: a module would run after the page has flashed in the other one.
{
  const KEY = "tallymark-demo-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is blocked: the system's choice holds
    }
  };
  const isDark = () =>
    (chosen() ?? document.documentElement.dataset.theme) === "dark" ||
    (!document.documentElement.dataset.theme && system.matches);

  const show = () => {
    document.querySelector("#theme")?.setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new Event("themechange"));
  };

  if (chosen()) document.documentElement.dataset.theme = chosen();

  addEventListener("DOMContentLoaded", () => {
    show();
    document.querySelector("#theme")?.addEventListener("click", () => {
      const theme = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = theme;
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // Blocked storage: the choice holds for this page.
      }
      show();
    });
  });
  system.addEventListener("change", show);
}
