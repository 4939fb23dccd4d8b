"""Forecasting models; the only ones who know scikit-learn, statsforecast and Prophet."""
