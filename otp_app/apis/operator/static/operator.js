// Loads the page again every few seconds, as the page says, and shows what is new. The pages work without it.
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;

  // Somebody who works in the page is not interrupted: in a form, or with text selected.
  const isBusy = () =>
    document.hidden ||
    main.contains(document.activeElement?.closest("form")) ||
    (getSelection()?.isCollapsed === false && main.contains(getSelection().anchorNode));

  const show = (html) => {
    const next = new DOMParser().parseFromString(html, "text/html").querySelector("main");
    if (!next || next.innerHTML === main.innerHTML) return;
    const scrolled = [...main.querySelectorAll("[id$=-scroll]")].map((part) => [part.id, part.scrollTop, part.scrollLeft]);
    const focused = main.contains(document.activeElement) ? document.activeElement.id : "";
    const x = scrollX;
    const y = scrollY;
    main.replaceChildren(...next.childNodes);
    for (const [id, top, left] of scrolled) document.getElementById(id)?.scrollTo(left, top);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    scrollTo(x, y);
    if (!next.hasAttribute("data-live")) main.removeAttribute("data-live");
  };

  const look = async () => {
    if (!main.hasAttribute("data-live")) return;
    if (!isBusy()) {
      try {
        const answer = await fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store", redirect: "error" });
        if (answer.status === 401) return location.assign("/operator/login");
        if (answer.ok) show(await answer.text());
      } catch {
        // The server is away for a moment; the next look may find it again.
      }
    }
    setTimeout(look, 1000 * Number(main.dataset.live));
  };
  setTimeout(look, 1000 * Number(main.dataset.live));
})();
