-- Which driver has the resources of a region, so that another one is not started for them.
CREATE TABLE region_drivers (
    region_id BIGINT PRIMARY KEY,
    driver TEXT NOT NULL,
    place TEXT NOT NULL
);
