# A web server in a network of its own, reachable at a floating IP. For version 2 of the provider.
#
# Project, region, address and key come from the environment: eval "$(pileus env)".

terraform {
  required_providers {
    gcore = { source = "G-Core/gcore" }
  }
}

provider "gcore" {
  polling_interval_seconds = 1
}

variable "name" {
  description = "The name of everything that is created."
  type        = string
  default     = "web"
}

variable "image_id" {
  description = "The image of the boot volume: `pileus images list` shows the ids."
  type        = string
}

variable "external_network_id" {
  description = "The network that floating IPs come from: `pileus networks list --owned-by any` shows the ids."
  type        = string
}

variable "open_ports" {
  description = "The TCP ports that are reachable from anywhere."
  type        = set(number)
  default     = [22, 80, 443]
}

resource "gcore_cloud_network" "web" {
  name = var.name
  tags = { managed-by = "terraform" }
}

resource "gcore_cloud_network_subnet" "web" {
  name       = var.name
  network_id = gcore_cloud_network.web.id
  cidr       = "192.168.10.0/24"
}

# Floating IPs of the network reach the outside through a router.
resource "gcore_cloud_network_router" "web" {
  name                  = var.name
  external_gateway_info = { type = "manual", network_id = var.external_network_id, enable_snat = true }
  interfaces            = [{ type = "subnet", subnet_id = gcore_cloud_network_subnet.web.id }]
}

resource "gcore_cloud_security_group" "web" {
  name = var.name
}

resource "gcore_cloud_security_group_rule" "open" {
  for_each       = toset([for port in var.open_ports : tostring(port)])
  group_id       = gcore_cloud_security_group.web.id
  direction      = "ingress"
  ethertype      = "IPv4"
  protocol       = "tcp"
  port_range_min = each.value
  port_range_max = each.value
  description    = "Open port ${each.value}"
}

resource "gcore_cloud_volume" "boot" {
  name      = "${var.name}-boot"
  source    = "image"
  image_id  = var.image_id
  size      = 10
  type_name = "standard"
}

resource "gcore_cloud_floating_ip" "web" {
  depends_on = [gcore_cloud_network_router.web]

  # The instance sets them.
  lifecycle { ignore_changes = [port_id, fixed_ip_address] }
}

resource "gcore_cloud_instance" "web" {
  name    = var.name
  flavor  = "g1-standard-1-2"
  volumes = [{ volume_id = gcore_cloud_volume.boot.id, boot_index = 0 }]
  interfaces = [{
    type            = "subnet"
    network_id      = gcore_cloud_network.web.id
    subnet_id       = gcore_cloud_network_subnet.web.id
    security_groups = [{ id = gcore_cloud_security_group.web.id }]
    floating_ip     = { source = "existing", existing_floating_id = gcore_cloud_floating_ip.web.id }
  }]
  tags = { managed-by = "terraform" }
}

output "address" {
  description = "The public address of the server."
  value       = gcore_cloud_floating_ip.web.floating_ip_address
}

output "instance_id" {
  description = "The id of the instance."
  value       = gcore_cloud_instance.web.id
}
