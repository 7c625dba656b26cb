-- Adds the made-up traffic of the listeners of a simulated load balancer, as JSON.
ALTER TABLE simulated_network_parts ADD COLUMN traffic TEXT;
