# The base image installs packages.txt and requirements.txt and copies the project to /usr/local/airflow, which is on PYTHONPATH.
FROM astrocrpublic.azurecr.io/runtime:3.3-8-python-3.12

# Registers the provider entry point (connection type "Procore"). The wheel is metadata only: the code is the copied project.
# Users by name, because the base image defines them and does not promise a number for astro.
# hadolint ignore=DL3066
USER root
RUN pip install --no-cache-dir --no-deps .

# hadolint ignore=DL3066
USER astro
