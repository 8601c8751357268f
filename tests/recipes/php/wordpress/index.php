<?php
// What WordPress's own index.php does, where its files lie elsewhere.
define('WP_USE_THEMES', true);
require __DIR__ . '/wp-config.php';
wp();
require ABSPATH . WPINC . '/template-loader.php';
