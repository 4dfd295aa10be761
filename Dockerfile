# Two stages: the first has npm and the compiler, the last has Node and what the service needs to run.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json bundle.mjs ./
COPY src src
COPY routes routes
COPY workers workers
COPY sql sql
# The image holds what the package holds, and its dependencies.
RUN npm run build:package && npm prune --omit=dev --ignore-scripts \
  && mkdir /package && tar -xzf "$(npm pack --ignore-scripts --silent)" -C /package --strip-components=1

FROM node:24-bookworm-slim
# No package manager in the image that serves. The shell stays: it sets the address-space limit of the reading process.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* /usr/local/bin/yarn* \
  && mkdir -p /var/lib/deepwatch && chown 10001:10001 /var/lib/deepwatch
WORKDIR /app
COPY --from=build /package ./
COPY --from=build /app/node_modules node_modules
USER 10001:10001
# Inside a container the address is not loopback: give DEEPWATCH_TOKENS, or DEEPWATCH_OPEN=true on a network of its own.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DEEPWATCH_HOME=/var/lib/deepwatch
VOLUME /var/lib/deepwatch
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/main.js"]
