// Starts Swagger UI on the page /docs: with the document of this server, and without anything from elsewhere.
const place = document.getElementById("swagger-ui");
const refused = new Set(JSON.parse(place.dataset.refused));

// Operations that reject requests of pages are shown, but have no "Try it out".
const onlyWhatPagesMaySend = () => ({
  statePlugins: {
    spec: { wrapSelectors: { allowTryItOutFor: () => (state, path, method) => !refused.has(`${method} ${path}`) } },
  },
});

// There is one server, so nothing to choose. And a link inside a button is one thing too many for screen readers.
const forAllReaders = () => ({
  wrapComponents: {
    ServersContainer: () => () => null,
    DeepLink: (_, { React }) => ({ text }) => React.createElement("span", null, text),
  },
});

// Fields that Swagger UI leaves without a name get one, and texts that scroll can be reached by keyboard.
const names = { ".body-param__text": "Body of the request", ".examples-select-element": "Example" };
new MutationObserver(() => {
  for (const [selector, name] of Object.entries(names)) {
    for (const found of place.querySelectorAll(`${selector}:not([aria-label])`)) found.setAttribute("aria-label", name);
  }
  for (const found of place.querySelectorAll("pre.microlight:not([tabindex])")) found.tabIndex = 0;
}).observe(place, { childList: true, subtree: true });

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  domNode: place,
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  syntaxHighlight: { activated: false }, // its colours are too faint
  plugins: [onlyWhatPagesMaySend, forAllReaders],
  validatorUrl: null,
});
