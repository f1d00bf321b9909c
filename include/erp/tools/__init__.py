"""What ``python -m include.erp`` does, without Airflow and, but for ``totals --procore``, without Procore."""
