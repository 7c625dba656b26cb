"""The variables and the default address of a cloud, and texts for errors."""

URL = "http://127.0.0.1:8080"
URL_VARIABLE, KEY_VARIABLE = "GCORE_BASE_URL", "GCORE_API_KEY"
PROJECT_VARIABLE, REGION_VARIABLE = "GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_REGION_ID"
NOT_PILEUS_HINT = "is this a Pileus server?"
