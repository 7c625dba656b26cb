# A web server in a network of its own, reachable at a floating IP. For version 0.x of the provider.
#
# Address and key come from the environment: eval "$(pileus env)".

terraform {
  required_providers {
    gcore = { source = "G-Core/gcore" }
  }
}

provider "gcore" {}

variable "name" {
  description = "The name of everything that is created."
  type        = string
  default     = "web"
}

variable "project" {
  description = "The name of the project."
  type        = string
  default     = "Default"
}

variable "region" {
  description = "The name of the region."
  type        = string
  default     = "Local"
}

variable "image" {
  description = "The name of the image of the boot volume."
  type        = string
  default     = "ubuntu-22.04-x64"
}

variable "open_ports" {
  description = "The TCP ports that are reachable from anywhere."
  type        = set(number)
  default     = [22, 80, 443]
}

data "gcore_project" "this" {
  name = var.project
}

data "gcore_region" "this" {
  name = var.region
}

data "gcore_image" "boot" {
  project_id = data.gcore_project.this.id
  region_id  = data.gcore_region.this.id
  name       = var.image
}

resource "gcore_network" "web" {
  project_id    = data.gcore_project.this.id
  region_id     = data.gcore_region.this.id
  name          = var.name
  create_router = true
  metadata_map  = { managed-by = "terraform" }
}

resource "gcore_subnet" "web" {
  project_id                = data.gcore_project.this.id
  region_id                 = data.gcore_region.this.id
  name                      = var.name
  network_id                = gcore_network.web.id
  cidr                      = "192.168.10.0/24"
  connect_to_network_router = true
}

resource "gcore_securitygroup" "web" {
  project_id = data.gcore_project.this.id
  region_id  = data.gcore_region.this.id
  name       = var.name

  security_group_rules {
    direction      = "egress"
    ethertype      = "IPv4"
    protocol       = "tcp"
    port_range_min = 26
    port_range_max = 65535
    description    = "Allow outgoing TCP except SMTP"
  }

  dynamic "security_group_rules" {
    for_each = var.open_ports
    content {
      direction      = "ingress"
      ethertype      = "IPv4"
      protocol       = "tcp"
      port_range_min = security_group_rules.value
      port_range_max = security_group_rules.value
      description    = "Open port ${security_group_rules.value}"
    }
  }
}

resource "gcore_volume" "boot" {
  project_id = data.gcore_project.this.id
  region_id  = data.gcore_region.this.id
  name       = "${var.name}-boot"
  image_id   = data.gcore_image.boot.id
  size       = 10
  type_name  = "standard"
}

# The address of the instance exists before the instance, so that the floating IP can point to it.
resource "gcore_reservedfixedip" "web" {
  project_id = data.gcore_project.this.id
  region_id  = data.gcore_region.this.id
  type       = "subnet"
  network_id = gcore_network.web.id
  subnet_id  = gcore_subnet.web.id
  is_vip     = false
}

resource "gcore_floatingip" "web" {
  project_id       = data.gcore_project.this.id
  region_id        = data.gcore_region.this.id
  port_id          = gcore_reservedfixedip.web.port_id
  fixed_ip_address = gcore_reservedfixedip.web.fixed_ip_address
}

resource "gcore_instancev2" "web" {
  project_id = data.gcore_project.this.id
  region_id  = data.gcore_region.this.id
  name       = var.name
  flavor_id  = "g1-standard-1-2"

  volume {
    volume_id  = gcore_volume.boot.id
    boot_index = 0
  }

  interface {
    type            = "reserved_fixed_ip"
    name            = var.name
    port_id         = gcore_reservedfixedip.web.port_id
    existing_fip_id = gcore_floatingip.web.id
    security_groups = [gcore_securitygroup.web.id]
  }

  metadata_map = { managed-by = "terraform" }
}

output "address" {
  description = "The public address of the server."
  value       = gcore_floatingip.web.floating_ip_address
}

output "instance_id" {
  description = "The id of the instance."
  value       = gcore_instancev2.web.id
}
