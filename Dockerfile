# One image for every role: `partvault serve` (default), `partvault worker`, `partvault audit`, `partvault-printer`.
FROM node:20-bookworm-slim AS chain
WORKDIR /build/contracts
COPY contracts/package.json contracts/package-lock.json ./
RUN npm install --no-save --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/partvault
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock README.md ./
COPY app ./app
COPY ledger ./ledger
COPY storage ./storage
COPY mesh_tools ./mesh_tools
COPY printer_agent ./printer_agent
COPY contracts/artifacts ./contracts/artifacts
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin partvault \
    && install -d -o partvault -g partvault -m 0700 /data
COPY --from=build /srv/partvault/.venv /srv/partvault/.venv
COPY --from=chain /build/contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil /usr/local/bin/anvil
ENV PATH=/srv/partvault/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PARTVAULT_DATA_DIR=/data \
    PARTVAULT_ANVIL=/usr/local/bin/anvil
USER partvault
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["partvault", "serve", "--host", "0.0.0.0", "--port", "8000"]
