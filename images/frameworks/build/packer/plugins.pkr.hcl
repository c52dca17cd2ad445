# Packer 1.7 and newer fetch this plugin by `packer init`; older ones have it built in and refuse this file.
packer {
  required_plugins {
    amazon = { source = "github.com/hashicorp/amazon", version = ">= 1.3.0" }
  }
}
