"""URLs of imports. Reads are GET, writes POST; every POST also works without scripts."""

from django.urls import path

from intake import backtest_views, views

app_name = "intake"

urlpatterns = [
    path("imports/", views.list_imports, name="list_imports"),
    path("imports/upload/", views.upload_file, name="upload_file"),
    path("imports/<int:import_id>/", views.view_import, name="view_import"),
    path("imports/<int:import_id>/check/", views.check_import, name="check_import"),
    path("imports/<int:import_id>/run/", views.run_import, name="run_import"),
    path("imports/<int:import_id>/stop/", views.stop_import, name="stop_import"),
    path("imports/<int:import_id>/undo/", views.undo_import, name="undo_import"),
    path("imports/<int:import_id>/progress/", views.show_progress, name="show_progress"),
    path(
        "imports/<int:import_id>/backtest/",
        backtest_views.backtest_import,
        name="backtest_import",
    ),
    path("imports/<int:import_id>/rejected/", views.download_rejected, name="download_rejected"),
    path("scoring/backtests/", backtest_views.list_backtests, name="list_backtests"),
    path("scoring/backtests/upload/", backtest_views.upload_history, name="upload_history"),
    path(
        "scoring/backtests/<int:backtest_id>/", backtest_views.view_backtest, name="view_backtest"
    ),
    path(
        "scoring/backtests/<int:backtest_id>/start/",
        backtest_views.start_backtest,
        name="start_backtest",
    ),
    path(
        "scoring/backtests/<int:backtest_id>/progress/",
        backtest_views.show_backtest_progress,
        name="show_backtest_progress",
    ),
    path("scoring/backtests/<int:backtest_id>/take/", backtest_views.take_model, name="take_model"),
]
