"""Machine images: recipes, and the specs that are made from them. Pure but for `rootfs`, which builds one."""
