# syntax=docker/dockerfile:1
# The packages are installed in a stage of their own, so that the image holds no installer cache.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /app
COPY requirements.txt .
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement requirements.txt


FROM python:3.11-slim-bookworm
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=leadqual.settings \
    WEB_CONCURRENCY=2
WORKDIR /app
RUN useradd --system --uid 10001 --no-create-home --home-dir /app leadqual
COPY --from=packages /app/.venv .venv
COPY . .
# Static files need no server and no secret; the values only satisfy the settings.
RUN mkdir var \
    && SECRET_KEY=build DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
        python manage.py collectstatic --noinput --verbosity 0 \
    && chown -R leadqual: var
USER leadqual
EXPOSE 8000
# WEB_CONCURRENCY is the number of processes. Their heartbeats go to memory: /tmp may be slow.
CMD ["gunicorn", "leadqual.wsgi:application", "--bind", "0.0.0.0:8000", \
     "--worker-class", "gthread", "--threads", "4", "--preload", "--worker-tmp-dir", "/dev/shm", \
     "--no-control-socket"]
